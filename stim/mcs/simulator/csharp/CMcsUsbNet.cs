// A connection to a device: its status codes, and the two ways of failing.
using System;

namespace Mcs.Usb
{
    public class CUsbExceptionNet : Exception
    {
        private readonly uint status;

        public CUsbExceptionNet(uint status) : this(status, CMcsUsbNet.GetErrorText(status)) { }

        public CUsbExceptionNet(uint status, string message) : base(message)
        {
            this.status = status;
        }

        public uint Status
        {
            get { return status; }
        }
    }

    public class CMcsUsbNet : IDisposable
    {
        public static uint Status_BufferUnderrun = 0xE010000D;
        public static uint Status_DataUnderrun = 0xE0100009;
        public static uint Status_DeviceLocked = 0xE01F0010;
        public static uint Status_DeviceNotFound = 0xE01F0003;
        public static uint Status_DeviceRemoved = 0xE01F0008;
        public static uint Status_InvalidParameter = 0xE0100300;
        public static uint Status_IoTimeout = 0xE01F0007;
        public static uint Status_NoMemory = 0xE0100100;
        public static uint Status_NoSuchDevice = 0xE01F0002;
        public static uint Status_NotSupported = 0xE01F0005;

        // what the real assembly does before it is told is not known: the silent way is
        // the one that finds a caller who forgets to choose
        private bool throwsExceptions;
        private uint lastStatus;
        internal SimDevice device;

        public string SerialNumber
        {
            get { return GetSerialNumber(); }
        }

        public virtual uint Connect(CMcsUsbListEntryNet entry)
        {
            return Connect(entry, 0xFFFFFFFF);
        }

        public virtual uint Connect(CMcsUsbListEntryNet entry, uint LockMask)
        {
            SimDevice found = entry == null ? null : SimBench.Find(entry.SerialNumber);
            if (found == null) return lastStatus = Status_NoSuchDevice;
            lastStatus = found.Claim(this);
            if (lastStatus == 0) device = found;
            return lastStatus;
        }

        public virtual void Disconnect()
        {
            SimDevice released = device;
            device = null;
            if (released != null) released.Release(this);
        }

        public virtual void Dispose()
        {
            Disconnect();
        }

        public virtual bool IsConnected()
        {
            return device != null && device.IsPlugged;
        }

        public void EnableExceptions(bool enable)
        {
            throwsExceptions = enable;
        }

        public bool IsExceptionsEnabled()
        {
            return throwsExceptions;
        }

        public uint GetStatusOfLastCommand()
        {
            return lastStatus;
        }

        public uint GetLastUSBError()
        {
            return lastStatus;
        }

        public virtual string GetSerialNumber()
        {
            return device == null ? "" : device.SerialNumber;
        }

        public static string GetErrorText(uint Status)
        {
            if (Status == Status_DeviceLocked) return "Device is locked";
            if (Status == Status_DeviceNotFound) return "Device not found";
            if (Status == Status_DeviceRemoved) return "Device was removed";
            if (Status == Status_InvalidParameter) return "Invalid parameter";
            if (Status == Status_IoTimeout) return "Timeout";
            if (Status == Status_NoMemory) return "No memory";
            if (Status == Status_NoSuchDevice) return "No such device";
            if (Status == Status_NotSupported) return "Not supported";
            return "Status 0x" + Status.ToString("X8");
        }

        // True where the call can go on; else its status is kept, and thrown if wanted.
        internal bool Passes(uint status)
        {
            lastStatus = status;
            if (status == 0) return true;
            if (throwsExceptions) throw new CUsbExceptionNet(status);
            return false;
        }

        internal bool IsThere()
        {
            if (device == null) return Passes(Status_DeviceNotFound);
            if (!device.IsPlugged) return Passes(Status_DeviceRemoved);
            return Passes(device.Fail());
        }

        internal bool Accepts(bool isValid)
        {
            return IsThere() && Passes(isValid ? 0 : Status_InvalidParameter);
        }
    }
}
